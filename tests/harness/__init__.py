"""What the end-to-end tests stand on: real servers to probe, the real command, a real Prometheus.

    servers to probe    http_server (scripted by http_messages, seed), certificates
    the command         daemon (settings by variables, its page read by samples)
    who scrapes it      prometheus

Every one of them is a context manager that leaves no thread, socket or process behind.
"""
