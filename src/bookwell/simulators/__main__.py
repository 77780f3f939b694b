"""`python -m bookwell.simulators`: the simulators on one port."""

import argparse

from bookwell.simulators.running import run_simulators

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bookwell.simulators")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    run_simulators(host=options.host, port=options.port)
