"""What is said of the machine is what TensorFlow says of it, and what was measured on it."""

import types

import tensorflow as tf

from styletransfer.app import machine


def test_the_gpu_is_named_as_its_driver_names_it(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": f"the {gpu}"})
    assert machine.gpu_name() == "the first"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert machine.gpu_name() is None


def test_an_evaluation_takes_the_time_between_two_of_them(model, monkeypatch):
    ticks = iter([100.0, *(200.0 + 0.5 * n for n in range(machine.EVALUATIONS - 1))])
    monkeypatch.setattr(machine, "time", types.SimpleNamespace(perf_counter=lambda: next(ticks)))
    assert machine.seconds_per_evaluation((36, 64), preset="offline", model=model) == 0.5
