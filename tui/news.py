"""What the console does with each piece of news of its investigation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facts.answers import Progress
from tui.investigation import News, PasswordWanted, Ready, Trouble

if TYPE_CHECKING:
    from tui.app import KwinnowApp


def take(app: KwinnowApp, news: Sequence[News]) -> None:
    """Bring the console's state up to date. Painting is the caller's, once for all
    of it; a new report is read where it is shown.
    """
    for item in news:
        if isinstance(item, Progress):
            app.seen.take(item)
        elif isinstance(item, Trouble):
            app.trouble = item
        elif isinstance(item, PasswordWanted):
            from tui.screens.overlays import PasswordScreen

            app.push_screen(PasswordScreen(item.user, item.reply))
        elif isinstance(item, Ready):
            for warning in item.held.warnings:
                app.notify(warning, severity="warning", markup=False)
