"""One gateway a host carries a run's connections to other hosts, encrypted and for the run alone.

Courier and Reverb authenticate nobody, and Courier unpickles what it is sent. So on each host they
listen where only the run's processes reach them, and one process, the gateway, has the host's only
port. Gateways talk to one another by mutual TLS with keys that were made for the run (`keys`).
Every process of the run finds each service at the same loopback port on every host, wherever the
service is: `process` starts a gateway and tells it where.
"""
