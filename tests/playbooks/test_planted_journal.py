"""Every user may make files in C:\\ProgramData: what one of them has put there is not believed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desks import FIREWALL, FOLDER, NODE, OURS, Desk, edit, machine, node_marks, rule

from lab.practice import Practice
from lab.world.machine import File, Machine
from playbooks.journal import Mark
from playbooks.node_side import FolderNotOurs
from playbooks.step import NotPossible

pytestmark = pytest.mark.pwsh
Sit = Callable[[str], Desk]
USER = "S-1-5-21-1004336348-1177238915-682003330-1001"
JOURNAL = f"{FOLDER}\\journal.jsonl"
# What a folder that an ordinary user makes in C:\ProgramData is like: his own, with what is inherited.
USERS_OWN = (
    f"O:{USER}G:{USER}D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;ID;FA;;;{USER})(A;OICIID;0x1200a9;;;BU)"
)
USERS_MAY_WRITE = "O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;CI;DCLCRPCR;;;BU)"
USERS_MAY_READ = "O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"


@pytest.fixture
def own(pwsh: str) -> Iterator[Practice]:
    """A cluster for one test: what lies on the disk of its nodes goes with it."""
    with Practice("flannel-2022") as made:
        made.plant(FIREWALL)
        yield made


def planted(practice: Practice, acls: dict[str, str], **more: object) -> None:
    """A journal whose last run says that the rule was there, so that an undo would take the wrong thing away."""
    line = {
        "run": "planted",
        "at": "2026-01-01T00:00:00Z",
        "mark": "acted",
        "step": FIREWALL,
        "context": "practice",
        "server": "https://x",
        "node": NODE,
        "who": "anna@desk",
        "parameters": {
            "name": "OverlayTraffic4789UDP",
            "display_name": "Overlay Traffic 4789 UDP",
            "port": 4789,
        },
        "before": {"rule": "absent"},
    }

    def change(node: Machine) -> None:
        node.files[JOURNAL] = File(json.dumps(line | more) + "\n")
        node.acls |= acls

    edit(practice, change)


def test_folder_and_files_are_made_for_administrators_and_system_alone(practice: Practice, sit: Sit) -> None:
    practice.plant(FIREWALL)
    assert sit("anna@desk").fix().mark is Mark.DONE
    acls = machine(practice).acls
    assert acls[FOLDER] == OURS
    files = {acls[f"{FOLDER}\\{name}"] for name in ("acting", "lock.json", "journal.jsonl")}
    assert files == {"O:BAG:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)"}


@pytest.mark.parametrize(
    ("acls", "says"),
    [
        ({FOLDER: USERS_OWN}, r"C:\\ProgramData\\kwinnow on win-1 is owned by neither"),
        ({FOLDER: OURS, JOURNAL: USERS_OWN}, r"kwinnow\\journal\.jsonl on win-1 is owned by neither"),
        ({FOLDER: USERS_MAY_WRITE}, r"Others than Administrators and SYSTEM may write to C:\\ProgramData"),
        ({}, r"Others than Administrators and SYSTEM may write to C:\\ProgramData"),
    ],
    ids=["folder of a user", "journal of a user", "users may write", "as an ordinary New-Item makes it"],
)
def test_what_may_be_planted_is_refused_and_nothing_is_done(
    practice: Practice, sit: Sit, acls: dict[str, str], says: str
) -> None:
    practice.plant(FIREWALL)
    planted(practice, acls)
    anna = sit("anna@desk")
    with pytest.raises(FolderNotOurs, match=says) as undo:
        anna.undo()
    assert "rd /s /q C:\\ProgramData\\kwinnow" in undo.value.hint
    with pytest.raises(FolderNotOurs, match=says):
        anna.fix()
    assert rule(practice) == "absent" and node_marks(practice) == ["acted"]
    assert anna.marks()[-1] == "dropped" and anna.audited()[-1]["outcome"] == "refused"


def test_others_may_read_it(practice: Practice, sit: Sit) -> None:
    practice.plant(FIREWALL)
    planted(practice, {FOLDER: USERS_MAY_READ})
    assert sit("anna@desk").fix().mark is Mark.DONE


@pytest.mark.skipif(os.name == "nt", reason="the lab's engine runs on POSIX systems")
def test_a_folder_that_leads_elsewhere_is_not_followed(own: Practice, tmp_path: Path) -> None:
    anna = Desk(own, tmp_path)
    plan = anna.plan()
    state = own.nodes[NODE]._state
    assert state is not None
    elsewhere = state.folder / "tree" / "C" / "Windows"
    before = sorted(elsewhere.iterdir())
    (state.folder / "tree/C/ProgramData").mkdir(parents=True, exist_ok=True)
    (state.folder / "tree/C/ProgramData/kwinnow").symlink_to(elsewhere)
    with pytest.raises(FolderNotOurs, match="leads to another place"):
        anna.runner.run(plan)
    with pytest.raises(FolderNotOurs, match="leads to another place"):
        anna.undo()
    assert rule(own) == "absent" and sorted(elsewhere.iterdir()) == before


@pytest.mark.parametrize(
    "lie",
    [
        {"before": {"rule": "$(Restart-Computer)"}},
        {"before": {"rule": "absent", "more": 1}},
        {"parameters": {"name": "CoreNet-DHCP-In", "display_name": "x", "port": 68}},
        {"parameters": {}},
    ],
    ids=["a value", "a field", "another rule", "nothing"],
)
def test_what_a_step_never_writes_is_not_undone(practice: Practice, sit: Sit, lie: dict[str, object]) -> None:
    practice.plant(FIREWALL)
    planted(practice, {FOLDER: OURS}, **lie)
    with pytest.raises(NotPossible, match=r"never writes down.*Nothing is undone"):
        sit("anna@desk").undo()
    assert node_marks(practice) == ["acted"]
