"""The court: Parley beside its peers, on one machine in one go, judged by targets set before."""
