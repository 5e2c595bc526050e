"""The state of random numbers, kept and taken up again."""

import random
from types import SimpleNamespace

import numpy as np
import torch

from cascadekit.checkpoints.safe_load import load_checkpoint_file
from cascadekit.engine.random_state import KEY, KeepRandomState, random_state, restore


def draw():
    return random.random(), float(np.random.random()), float(np.random.randn()), torch.rand(2)


def same(first, second):
    return first[:3] == second[:3] and torch.equal(first[3], second[3])


def seed():
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    random.gauss(0, 1), np.random.randn()  # leaves a spare number behind in both


def test_what_is_restored_draws_the_same():
    seed()
    state = random_state()
    first = draw(), random.gauss(0, 1)
    draw()
    restore(state)
    again = draw(), random.gauss(0, 1)
    assert same(first[0], again[0]) and first[1] == again[1]


def test_a_checkpoint_with_it_is_read_without_running_code(tmp_path):
    seed()
    checkpoint = {}
    KeepRandomState().before_save_checkpoint(None, checkpoint)
    torch.save(checkpoint, tmp_path / "x.pth")
    first = draw()
    restore(load_checkpoint_file(tmp_path / "x.pth")[KEY])
    assert same(first, draw())


def test_the_hook_takes_it_up_on_resume():
    seed()
    hook, checkpoint = KeepRandomState(), {}
    hook.before_save_checkpoint(None, checkpoint)
    wanted = draw()
    seed_of_loader = torch.rand(1)
    hook.after_load_checkpoint(SimpleNamespace(_resume=True), checkpoint)
    hook.before_train_epoch(None)
    torch.rand(1)  # a data loader draws its seed
    python, numpy = random.random(), float(np.random.random())  # a picture is flipped
    hook.before_train_iter(None, 0)
    assert (python, numpy) == wanted[:2] and torch.equal(torch.rand(2), wanted[3])
    hook.before_train_iter(None, 1)  # only once
    assert torch.equal(torch.rand(1), seed_of_loader)


def test_it_does_nothing_for_weights_to_start_from():
    seed()
    hook, checkpoint = KeepRandomState(), {}
    hook.before_save_checkpoint(None, checkpoint)
    draw()
    before = torch.get_rng_state()
    hook.after_load_checkpoint(SimpleNamespace(_resume=False), checkpoint)
    hook.before_train_epoch(None)
    hook.before_train_iter(None, 0)
    assert torch.equal(torch.get_rng_state(), before)
    hook.after_load_checkpoint(SimpleNamespace(_resume=True), {})  # of an older version
    hook.before_train_epoch(None)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_interrupted_run_keeps_the_state_of_its_last_whole_iteration():
    seed()
    hook, cut_off, whole = KeepRandomState(), {"meta": {"iter": 3}}, {"meta": {"iter": 4}}
    hook.after_train_iter(SimpleNamespace(iter=2), 2)  # the third is done
    state = random_state()
    wanted = draw()  # the fourth draws, and is cut off
    hook.before_save_checkpoint(None, cut_off)
    restore(cut_off[KEY])
    assert same(draw(), wanted)
    hook.before_save_checkpoint(None, whole)  # of another iteration: the state as it is now
    restore(whole[KEY])
    now = draw()
    restore(state)
    draw()
    assert same(draw(), now)


def test_interrupted_again_before_an_iteration_is_done():
    seed()
    hook, checkpoint, again = KeepRandomState(), {"meta": {"iter": 3}}, {"meta": {"iter": 3}}
    hook.before_save_checkpoint(None, checkpoint)
    wanted = draw()
    hook.after_load_checkpoint(SimpleNamespace(_resume=True), checkpoint)
    draw()
    hook.before_save_checkpoint(None, again)
    restore(again[KEY])
    assert same(draw(), wanted)


def test_validation_leaves_no_trace():
    seed()
    hook = KeepRandomState()
    state = random_state()
    wanted = draw()
    restore(state)
    hook.before_val(None)
    draw()
    hook.after_val(None)
    assert same(draw(), wanted)
    hook.after_val(None)  # without a beginning: nothing to take up
