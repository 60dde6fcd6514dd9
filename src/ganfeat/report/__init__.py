"""Records of runs, the studies they belong to, and tables made of them."""
