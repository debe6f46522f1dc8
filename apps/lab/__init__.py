"""JupyterLab for analysts: the reports as they are, a kernel that is ready, and a read-only warehouse."""
