"""Other pipelines that do the same job on the same requests, each a process of its own."""
