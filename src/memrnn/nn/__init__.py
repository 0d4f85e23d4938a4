"""Controllers, memories, and the networks that are made of them."""
