"""Text that passes through a console's code page on its way."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from checks.cases import Change, change, fields
from checks.check import Case, check
from checks.finding import INFO, Problem, Said
from facts.access import Access, ThisNode
from facts.examples import FLANNEL_2022
from facts.node.windows import Os

UTF_8 = 65001


def _language(mode: str) -> Change:
    def edit(found: Access) -> Access:
        assert found.hello is not None
        return replace(found, hello=replace(found.hello, language=mode))

    return change(Access, edit)


@check(
    "reach.exec.console-cp",
    title="Text in the node's language arrives as it is",
    severity=INFO,
    cases=[
        Case(
            "Chinese Windows, plain answers",
            FLANNEL_2022,
            (fields(Os, oem_code_page=936), _language("ConstrainedLanguage")),
            finds="node",
        ),
        Case("Chinese Windows, packed answers", FLANNEL_2022, (fields(Os, oem_code_page=936),), quiet=True),
        Case(
            "UTF-8",
            FLANNEL_2022,
            (fields(Os, oem_code_page=65001), _language("ConstrainedLanguage")),
            quiet=True,
        ),
    ],
)
def console_code_page(node: ThisNode, access: Access, os: Os) -> Iterator[Said]:
    """Names of interfaces and error texts lose their letters where answers are not packed.

    Rule: the collector's answers travel as base64 of UTF-8 and are safe on every code page; only in Constrained
    Language Mode do they come as plain text, and then an OEM code page other than 65001 can spoil them.
    Remedy: None needed for verdicts, which rest on numbers. To see the names right, allow the collector's scripts in
    the node's policy, so that answers are packed.
    Confused with: files in UTF-16 (cni.json-invalid).
    Source: https://github.com/kubernetes-sigs/sig-windows-tools/issues/336 (PowerShell output turned into
    replacement characters).
    """
    if access.constrained and os.oem_code_page not in (0, UTF_8):
        yield Problem(
            f"{node.name} answers as plain text in code page {os.oem_code_page}: letters outside it become “?”.",
            proof={Os: f"OEM code page {os.oem_code_page}, culture {os.culture}"},
        )
