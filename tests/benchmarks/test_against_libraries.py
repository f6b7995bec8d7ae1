import pytest

from benchmarks import against_libraries, peers

# Steps a second, by peer and number of threads; None: as it is.
SPEEDS = {
    (peers.SB3_SAC, 1): 50.0,
    (peers.SB3_SAC, 2): 40.0,
    (peers.SBX_SAC, None): 90.0,
}


@pytest.fixture
def ran(monkeypatch):
    """What was run: a peer, its threads and for how long."""
    calls = []

    def run(peer, seconds, *, threads, count_products=False):
        calls.append((peer, threads, seconds))
        if peer is peers.SBX_CROSSQ:
            raise peers.PeerError("CrossQ: out of luck")
        products = {"gflop": 0.58} if count_products else {}
        return {"steps_per_second": SPEEDS[peer, threads], **products}

    monkeypatch.setattr(peers.Peer, "run", run)
    monkeypatch.setattr(peers.Peer, "is_installed", property(lambda peer: peer.environment != "x"))
    monkeypatch.setattr(peers, "PEERS", (peers.SB3_SAC, peers.SBX_SAC))
    monkeypatch.setattr(
        against_libraries, "_ours", lambda agent, setting: {"iq": 300.0, "sac": 150.0}[agent]
    )
    monkeypatch.setattr(
        against_libraries, "_our_gflop", lambda agent, setting: {"iq": 0.27, "sac": 0.65}[agent]
    )
    return calls


def test_each_agent_is_compared_with_each_peer_at_its_better_number_of_threads(ran):
    rows = {(c.case.split(", ")[1], c.reference_name): c for c in against_libraries.run()}
    assert {key: row.ratio for key, row in rows.items()} == {
        ("iq", peers.SB3_SAC.name): 6.0,
        ("iq", peers.SBX_SAC.name): pytest.approx(300 / 90),
        ("sac", peers.SB3_SAC.name): 3.0,
        ("sac", peers.SBX_SAC.name): pytest.approx(150 / 90),
    }
    assert [row.goal for row in rows.values()] == [5.0, 3.0, 3.0, 2.0]
    assert "0.27, theirs 0.58" in rows["iq", peers.SBX_SAC.name].note
    timed = [(peer, threads) for peer, threads, seconds in ran if seconds == 20.0]
    assert timed.count((peers.SB3_SAC, 1)) == timed.count((peers.SBX_SAC, None)) == 3
    assert (peers.SB3_SAC, 2) not in timed


def test_each_setting_has_its_own_agents_and_peers(ran, monkeypatch):
    monkeypatch.setitem(SPEEDS, (peers.SB3_A2C, 1), 1000.0)
    monkeypatch.setitem(SPEEDS, (peers.SB3_A2C, 2), 900.0)
    monkeypatch.setattr(peers, "PEERS", (peers.SBX_SAC, peers.SB3_A2C))
    speeds = {"iq": 300.0, "sac": 150.0, "a2c": 4000.0}
    monkeypatch.setattr(against_libraries, "_ours", lambda agent, setting: speeds[agent])
    monkeypatch.setattr(against_libraries, "_our_gflop", lambda agent, setting: 0.01)
    rows = list(against_libraries.run())
    assert [(row.case.split(", ")[1], row.reference_name) for row in rows] == [
        ("iq", peers.SBX_SAC.name),
        ("sac", peers.SBX_SAC.name),
        ("a2c", peers.SB3_A2C.name),
    ]
    assert (rows[-1].ratio, rows[-1].goal) == (4.0, 3.0)
    assert rows[-1].case == "CartPole-v1, a2c, one gradient step for 80 environment steps"


def test_a_peer_that_fails_is_named_after_the_rows_of_the_others(ran, monkeypatch, capsys):
    monkeypatch.setattr(peers, "PEERS", (peers.SBX_CROSSQ, peers.SBX_SAC))
    rows = against_libraries.run()
    assert next(rows).reference_name == next(rows).reference_name == peers.SBX_SAC.name
    with pytest.raises(peers.PeerError, match=r"Did not run.*: SBX's CrossQ"):
        next(rows)
    assert "out of luck" in capsys.readouterr().err


def test_a_peer_that_fails_in_a_round_leaves_the_others_theirs(ran, monkeypatch):
    run, calls = peers.Peer.run, []

    def fails_when_timed(peer, seconds, **settings):
        if seconds == 20.0 and peer is peers.SB3_SAC:
            calls.append(peer)
            raise peers.PeerError("too slow")
        return run(peer, seconds, **settings)

    monkeypatch.setattr(peers.Peer, "run", fails_when_timed)
    rows = against_libraries.run()
    assert next(rows).reference_name == next(rows).reference_name == peers.SBX_SAC.name
    with pytest.raises(peers.PeerError, match="Stable-Baselines3's SAC"):
        next(rows)
    assert len(calls) == 1


def test_a_peer_that_is_not_installed_is_left_out_and_said(ran, monkeypatch, capsys):
    absent = peers.Peer("Absent's SAC", peers.CHEETAH, "x", "x.py", ())
    monkeypatch.setattr(peers, "PEERS", (absent, peers.SBX_SAC))
    assert {row.reference_name for row in against_libraries.run()} == {peers.SBX_SAC.name}
    assert "Absent's SAC is left out: scripts/peers.sh x" in capsys.readouterr().err
