"""May a synthetic set leave: looking for copies of patients, telling members apart, and the release policy."""
