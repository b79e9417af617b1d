"""The one-shot: each target walked once, now, for whoever stands before a terminal or writes a script.

    choice.py     which targets are meant
    walking.py    walks them as the daemon would, and stops when told to
    progress.py   how far it is, for a person who waits
    report.py     what was found, as a table or as JSON                    (pure)
    command.py    all of it, in this order: nothing is rendered while anything is timed

It stands on app.py, as the demo does: it wants the same prober, made in the same way.
"""

from exporter.once.command import probe

__all__ = ["probe"]
