"""The paper's experiments: trainings that run once, what is measured from them, and the ledger."""
