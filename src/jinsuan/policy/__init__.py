"""The law as data: packs, a typed language of conditions and amounts, decisions that explain themselves."""
