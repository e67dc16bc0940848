"""Acts: steps that verify, act and verify again, with a journal and an undo."""
