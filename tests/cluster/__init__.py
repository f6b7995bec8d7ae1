"""A cluster on one machine: hosts made of namespaces, with Ray and Slurm as on real ones."""
