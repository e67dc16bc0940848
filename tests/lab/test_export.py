"""The objects of a world, as a real API server can be loaded with them."""

from __future__ import annotations

from lab.world.export import export
from lab.world.scenarios import build

NOW = 1_800_000_000.0


def test_what_others_refer_to_comes_first_and_nothing_is_lost() -> None:
    world = build("flannel-2022", NOW)
    items = list(export(world))
    kinds = [i["kind"] for i in items]
    assert kinds.index("Pod") > max(i for i, kind in enumerate(kinds) if kind in ("Namespace", "Node"))
    everything = list(export(world, make_own=True))
    assert len(everything) == len(world.objects)
    own = {(i["kind"], i["metadata"]["name"]) for i in everything} - {
        (i["kind"], i["metadata"]["name"]) for i in items
    }
    assert ("Namespace", "kube-system") in own
    assert ("Service", "kubernetes") in own


def test_what_only_a_server_may_set_is_left_out_and_the_world_stays_as_it_is() -> None:
    world = build("classic-2019", NOW)
    for item in export(world):
        assert not {"uid", "resourceVersion", "ownerReferences"} & set(item["metadata"])
        item["metadata"]["name"] = "changed"
    assert all(key[3] == item["metadata"]["name"] for key, item in world.objects.items())
    assert all("uid" in item["metadata"] for item in world.objects.values())
