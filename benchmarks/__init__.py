"""A folder a study, run from the root of the repository as modules."""
