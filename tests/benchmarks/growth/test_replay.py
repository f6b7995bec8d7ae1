import reverb

from benchmarks import replay_server
from benchmarks.growth import replay
from benchmarks.setting import TASK


def test_a_server_stores_more_and_more():
    service = replay_server.serve(TASK, "iq", segment_length=4)
    address = next(service)
    storing = replay.store(TASK, "iq", 4, address, counts=[400, 1250])
    client = reverb.Client(address)

    def num_items():
        (table,) = client.server_info().values()
        return table.current_size

    assert (next(storing), num_items()) == (0, 0)
    assert (next(storing), num_items()) == (400, 100)
    # Eight more of each of 100 streams.
    assert (next(storing), num_items()) == (1200, 300)
    del service


def test_tables_are_drawn_from_one_after_the_other(monkeypatch):
    monkeypatch.setattr(replay, "_SECONDS", 0.05)
    services = {
        length: replay_server.serve(TASK, "iq", segment_length=length, num_transitions=3000)
        for length in (1, 16)
    }
    tables = [(next(service), length) for length, service in services.items()]
    for ours, array in replay.draw(tables):
        assert len(ours) == len(array) == replay._ROUNDS
    services.clear()
