"""Papers whose claims and numbers are set beside studies: one package each."""
