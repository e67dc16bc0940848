"""Judgement: pure functions from facts to findings, and the engine that runs and ranks them."""
