"""Time of a round of Flower's simulation without any training: 5 clients, so many parameters.

    benchmarks/peers/flower.sh [PARAMS] [ROUNDS]

Prints one JSON line: median and least time between two aggregations, in milliseconds.
"""

import json
import statistics
import sys
import time

import flwr
import numpy as np
from flwr.client import NumPyClient
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerConfig
from flwr.server.strategy import FedAvg
from flwr.simulation import start_simulation

CLIENTS = 5


class Idle(NumPyClient):
    def fit(self, parameters, config):
        return [parameters[0] + np.float32(0.001)], 100, {}


class Timed(FedAvg):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.at = []

    def aggregate_fit(self, server_round, results, failures):
        out = super().aggregate_fit(server_round, results, failures)
        assert len(results) == CLIENTS and not failures
        self.at.append(time.perf_counter())
        return out


def main():
    params, rounds = int(sys.argv[1]), int(sys.argv[2])
    start = ndarrays_to_parameters([np.zeros(params, dtype=np.float32)])
    strategy = Timed(
        initial_parameters=start, fraction_evaluate=0.0, min_fit_clients=CLIENTS, min_available_clients=CLIENTS
    )
    start_simulation(
        client_fn=lambda context: Idle().to_client(),
        num_clients=CLIENTS,
        config=ServerConfig(num_rounds=rounds),
        strategy=strategy,
        client_resources={"num_cpus": 1},
    )
    # The first rounds start Ray's workers.
    ms = [(b - a) * 1e3 for a, b in zip(strategy.at[2:], strategy.at[3:])]
    line = {"peer": f"flwr {flwr.__version__}", "params": params, "clients": CLIENTS, "rounds": len(ms)}
    line |= {"median_ms": statistics.median(ms), "min_ms": min(ms)}
    print(json.dumps(line))


main()
