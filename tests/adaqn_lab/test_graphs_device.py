"""A step is recorded on the device of the parameters, whichever is the current one."""

from contextlib import contextmanager, nullcontext

import torch

from adaqn_lab.graphs import CudaGraph
from tests.adaqn_lab.small import SHORT
from tests.adaqn_lab.tape import record
from tests.adaqn_lab.test_graphs import Run


def test_steps_are_made_and_recorded_where_the_parameters_are(monkeypatch):
    current, seen = [], []

    @contextmanager
    def device_of(tensor):
        assert tensor is run.optimizer._algorithm.vector
        current.append(tensor)
        yield
        current.pop()

    def recorded(work):
        seen.append(("recorded", len(current)))
        again = record(work)

        def replay():
            seen.append(("replayed", len(current)))
            again()

        return replay

    run = Run(SHORT["ADAQN"], recorded)
    monkeypatch.setattr(torch.cuda, "device_of", device_of)
    every = SHORT["ADAQN"].cadence.every
    run.train(0, 3 * every, spoilt={})
    # torch enters a graph's device at its replay.
    assert seen == [("recorded", 1)] * every + [("replayed", 0)] * every


def test_a_capture_takes_a_stream_of_the_current_device(monkeypatch):
    # torch's own stream for captures is of the device that was current at the first capture in the process.
    current, captures = [0], []

    class Graph:
        def replay(self):
            pass

    def capturing(graph, *, pool, stream, capture_error_mode):
        captures.append((current[0], stream))
        return nullcontext()

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(torch.cuda, "Stream", lambda: ("a stream of", current[0]))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capturing)
    of_each_device = [CudaGraph(), CudaGraph()]
    for device in (0, 1, 0, 1):
        current[0] = device
        of_each_device[device](lambda: None)
    assert captures == [(device, ("a stream of", device)) for device in (0, 1, 0, 1)]
