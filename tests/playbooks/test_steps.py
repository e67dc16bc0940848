"""What a step must be before it may be offered."""

from __future__ import annotations

from typing import cast

import pytest
from msgspec.structs import replace

from checks.check import load
from checks.ids import CheckId
from playbooks.step import NotPossible, sound, steps

A_STEP = next(iter(steps().values()))


def test_every_step_is_sound_and_says_what_it_touches() -> None:
    assert len(steps()) > 1
    for identity, made in steps().items():
        sound(made, load())
        assert identity == made.check and made.title and made.blast_radius and made.undo_says


def test_every_undo_says_what_it_touches_in_words_of_its_own() -> None:
    with_undo = [s for s in steps().values() if s.undo]
    assert with_undo
    for made in with_undo:
        assert made.undo_blast_radius and made.undo_blast_radius != made.blast_radius, made.check
    told = [s.undo_blast_radius for s in with_undo]
    assert len(set(told)) == len(told), "what stops with one service is not what stops with another"
    for wrong in ("", with_undo[0].blast_radius):
        with pytest.raises(ValueError, match="must say what its undo touches"):
            sound(replace(with_undo[0], undo_blast_radius=wrong), load())


def test_a_goal_must_be_a_check_of_single_nodes() -> None:
    of_cluster = next(c for c in load().values() if not c.node_scope)
    with pytest.raises(ValueError, match="a step acts on one node"):
        sound(replace(A_STEP, check=of_cluster.id), load())
    with pytest.raises(ValueError, match="is no check"):
        sound(replace(A_STEP, check=cast(CheckId, "no.such")), load())


def test_an_act_must_write_down_what_there_was() -> None:
    with pytest.raises(ValueError, match="Save-Before"):
        sound(replace(A_STEP, script=A_STEP.undo), load())


def test_an_undo_takes_only_what_its_own_step_writes() -> None:
    hns, kubelet = steps()["hns.service"], steps()["kubelet.not-running"]
    before = {"state": "Stopped", "start_mode": "Manual"}
    kubelet.believable({"name": "kubelet", "start_mode": "Automatic"}, before)
    hns.believable({"name": "HNS", "start_mode": "Manual"}, before)
    with pytest.raises(NotPossible, match="never does"):
        hns.believable({"name": "kubelet", "start_mode": "Automatic"}, before)
    for parameters in ({"name": "kubelet"}, {"name": "kubelet", "start_mode": "Manual; exit"}):
        with pytest.raises(NotPossible, match="never writes down"):
            kubelet.believable(parameters, before)
    with pytest.raises(NotPossible, match="never writes down"):
        kubelet.believable({"name": "kubelet", "start_mode": "Manual"}, None)
