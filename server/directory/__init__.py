"""Who and what a pool consists of: policy, places, residents, cards, merchants, terminals."""
