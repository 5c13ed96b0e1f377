"""The training loop: goes downhill, keeps the best weights, stops as told, and resumes bit by bit."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import geodis.loop
from geodis.errors import FileFormatError, FiniteError, ParameterError
from geodis.training import Plan, convnet, mlp, train

QUICK = Plan(max_steps=30, evaluate_every=5, patience=None)


class Regression:
    """y = sin(x) learned by a small network; every batch is told by its step alone."""

    def __init__(self, seed=0, net=None, shape=(3,)):
        self.net, self.shape, self.calls = net if net is not None else mlp(3, 1, width=16, seed=seed), shape, []

    def batch(self, step):
        draw = torch.Generator().manual_seed(1000 + step)
        x = torch.randn(16, *self.shape, generator=draw)
        return x, x.flatten(1).sum(1, keepdim=True).sin()

    def loss(self, step):
        self.calls.append(step)
        x, y = self.batch(step)
        return (self.net(x) - y).square().mean()

    def evaluate(self):
        x, y = self.batch(10**6)
        return -float((self.net(x) - y).detach().square().mean())

    def train(self, plan=QUICK, **options):
        return train(self.net, self.loss, plan, evaluate=self.evaluate, **options)

    def weights(self):
        return {name: x.clone() for name, x in self.net.state_dict().items()}


class Killed(Exception):
    """What stops a run in the middle of a step."""


def killed_at(step, job, plan=QUICK, **options):
    def loss(now):
        if now == step:
            raise Killed
        return job.loss(now)

    with pytest.raises(Killed):
        train(job.net, loss, plan, evaluate=job.evaluate, **options)


def same_weights(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def same_history(a, b):
    return replace(a, seconds=0) == replace(b, seconds=0)


# --- going downhill ---------------------------------------------------------------------------------------------------
def test_the_loss_falls_and_the_history_tells():
    job = Regression()
    before = job.evaluate()
    done = job.train(Plan(max_steps=150, evaluate_every=50))
    assert job.evaluate() > before + 0.05
    assert len(done.losses) == 150
    assert job.calls == list(range(150))
    assert [step for step, _ in done.evaluations] == [50, 100, 150]
    assert done.best_step == max(done.evaluations, key=lambda pair: pair[1])[0]
    assert done.status == "finished"
    assert 0 < done.seconds < 60
    assert not job.net.training


def test_the_same_run_gives_the_same_bits_and_another_another():
    runs = []
    for seed in (0, 0, 1):
        job = Regression(seed)
        runs.append((job.train(), job.weights()))
    assert same_history(runs[0][0], runs[1][0])
    assert same_weights(runs[0][1], runs[1][1])
    assert runs[0][0].losses != runs[2][0].losses


def test_global_random_state_is_left_alone():
    before = torch.get_rng_state()
    Regression().train()
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_frozen_stays():
    job = Regression()
    job.net[0].requires_grad_(False)
    frozen = job.net[0].weight.clone()
    job.train()
    assert torch.equal(job.net[0].weight, frozen)


def test_without_evaluation_the_last_weights_are_kept():
    job = Regression()
    done = train(job.net, job.loss, QUICK)
    assert (done.evaluations, done.best_step) == ((), 30)
    other = Regression()
    other.evaluate = lambda: 0.0  # the first of equal scores stays the best
    assert other.train().best_step == 5
    assert not same_weights(job.weights(), other.weights())


# --- stopping ---------------------------------------------------------------------------------------------------------
def test_early_stopping_keeps_the_best_weights():
    job, seen = Regression(), []
    scores = iter([1.0, 3.0, 2.0, 2.5, 0.0, 9.0])

    def evaluate():
        seen.append(job.weights())
        return next(scores)

    job.evaluate = evaluate
    done = job.train(replace(QUICK, patience=3))
    assert (done.status, done.best_step, len(done.losses)) == ("stopped early", 10, 25)
    assert [score for _, score in done.evaluations] == [1.0, 3.0, 2.0, 2.5, 0.0]
    assert same_weights(job.weights(), seen[1])
    assert not same_weights(seen[1], seen[4])


def test_the_clock_stops_the_training_and_the_last_weights_are_looked_at():
    job = Regression()
    done = job.train(Plan(max_steps=10**9, max_seconds=0.2, evaluate_every=10**9, patience=None))
    assert done.status == "out of time"
    assert 0.2 <= done.seconds < 2
    assert done.evaluations == ((len(done.losses), pytest.approx(job.evaluate())),)
    assert done.best_step == len(done.losses)


def test_the_rate_rises_and_falls_to_zero(monkeypatch):
    rates = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW, "step", lambda self, *a: (rates.append(self.param_groups[0]["lr"]), step(self, *a))[1]
    )
    Regression().train(Plan(max_steps=100, learning_rate=0.1, warmup=0.2, evaluate_every=100))
    assert np.argmax(rates) == 20
    assert np.isclose(max(rates), 0.1)
    assert (np.diff(rates[:20]) > 0).all()
    assert (np.diff(rates[20:]) < 0).all()
    assert rates[-1] < 1e-3 * max(rates)


# --- resuming ---------------------------------------------------------------------------------------------------------
JOBS = {
    "perceptron": Regression,
    "convolutions with running statistics": lambda: Regression(
        net=convnet(1, (1, 16, 16), width=2, hidden=8).to(memory_format=torch.channels_last), shape=(1, 16, 16)
    ),
}


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("at", [3, 5, 12, 29])
def test_a_run_that_was_killed_goes_on_with_the_same_bits(tmp_path, name, at):
    whole = JOBS[name]()
    expected = whole.train()
    path = tmp_path / "run.safetensors"
    first = JOBS[name]()
    killed_at(at, first, checkpoint=path)
    assert path.exists() == (at >= 5)
    second = JOBS[name]()
    done = second.train(checkpoint=path)
    assert second.calls == list(range(at - at % 5, 30)), "it goes on at the last evaluation"
    assert same_history(done, expected)
    assert same_weights(second.weights(), whole.weights())


def test_the_checkpoint_holds_the_moments_of_adam(tmp_path):
    path = tmp_path / "run.safetensors"
    killed_at(12, Regression(), checkpoint=path)
    tensors = load_file(path)
    count = len(list(Regression().net.parameters()))
    for kind in ("exp_avg", "exp_avg_sq", "step"):
        assert sum(name.startswith("optimizer.") and name.endswith(f".{kind}") for name in tensors) == count
    assert float(tensors["optimizer.0.step"]) == 10
    # Without them, the run goes on differently: the bits above are no accident.
    whole, forgetful = Regression(), Regression()
    expected = whole.train()
    tensors = {k: torch.zeros_like(x) if k.startswith("optimizer") else x for k, x in tensors.items()}
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(path, framework="pt") as file:
        meta = file.metadata()
    save_file(tensors, path, metadata=meta)
    assert forgetful.train(checkpoint=path).losses != expected.losses


def test_a_finished_run_is_read_and_not_repeated(tmp_path):
    path = tmp_path / "run.safetensors"
    first, again = Regression(), Regression()
    expected = first.train(checkpoint=path)
    done = again.train(checkpoint=path)
    assert again.calls == []
    assert same_history(done, expected)
    assert same_weights(again.weights(), first.weights())


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    path, plan = tmp_path / "run.safetensors", replace(QUICK, patience=2)
    first, again = Regression(), Regression()
    first.evaluate = again.evaluate = lambda: 0.0
    assert first.train(plan, checkpoint=path).status == "stopped early"
    done = again.train(plan, checkpoint=path)
    assert (again.calls, done.status, done.best_step) == ([], "stopped early", 5)
    assert same_weights(again.weights(), first.weights())


@pytest.mark.parametrize("changed", ["plan", "key", "format", "not a file"])
def test_the_checkpoint_of_another_run_is_refused(tmp_path, changed):
    path = tmp_path / "run.safetensors"
    killed_at(12, Regression(), checkpoint=path, key={"data": "a"})
    plan, key = QUICK, {"data": "a"}
    if changed == "plan":
        plan = replace(QUICK, learning_rate=1e-3)
    elif changed == "key":
        key = {"data": "b"}
    elif changed == "format":
        from geodis.groups import SO2
        from geodis.orbits import Orbits

        Orbits.from_arrays(np.eye(4), np.zeros((4, 1)), [0, 0, 1, 1], SO2()).save(path)
    else:
        path.write_bytes(b"x" * 100)
    before = path.read_bytes()
    with pytest.raises(FileFormatError):
        Regression().train(plan, checkpoint=path, key=key)
    assert path.read_bytes() == before
    if changed in ("plan", "key"):
        assert Regression().train(checkpoint=path, key={"data": "a"}).status == "finished"


def test_checkpoints_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    killed_at(8, Regression(), checkpoint=path)
    kept = path.read_bytes()

    def fail(tensors, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(geodis.loop, "save_file", fail)
        with pytest.raises(OSError, match="disk full"):
            Regression().train(checkpoint=path)
    assert [file.name for file in tmp_path.iterdir()] == ["run.safetensors"]
    assert path.read_bytes() == kept
    whole, second = Regression(), Regression()
    assert same_history(second.train(checkpoint=path), whole.train())
    assert same_weights(second.weights(), whole.weights())


def test_a_checkpoint_needs_its_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="existing folder"):
        Regression().train(checkpoint=tmp_path / "gone" / "run.safetensors")


# --- what is wrong ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_raises(bad, tmp_path):
    job = Regression()
    path = tmp_path / "run.safetensors"

    def loss(step):
        return job.loss(step) * (bad if step == 7 else 1.0)

    with pytest.raises(FiniteError, match="step 7"):
        train(job.net, loss, QUICK, evaluate=job.evaluate, checkpoint=path)
    assert all(torch.isfinite(x).all() for x in load_file(path).values()), "the state before it is kept"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_steps", 0), ("max_steps", 2.5), ("max_steps", True), ("evaluate_every", 0), ("patience", 0),
        ("learning_rate", -1.0), ("learning_rate", "fast"), ("weight_decay", -1), ("warmup", 1.5), ("clip", -1),
        ("max_seconds", 0), ("max_seconds", -3.0), ("learning_rate", math.nan),
    ],
)  # fmt: skip
def test_plans_outside_their_range_are_refused(name, value):
    with pytest.raises(ParameterError, match=name):
        Regression().train(replace(QUICK, **{name: value}))


def test_something_has_to_learn():
    with pytest.raises(ParameterError, match="learns"):
        train(nn.Identity(), lambda step: torch.zeros(()), QUICK)


def test_the_history_is_drawn():
    done = Regression().train()
    axes = done.plot()
    assert axes.get_xlabel() == "step"
    assert len(axes.lines[0].get_xdata()) == 30
    assert len(axes.figure.axes) == 2
