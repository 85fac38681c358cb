"""The simulation: production code of terminal and server, with everything around it made up.

One thread, one seed. What is simulated is what the world does: the clock, the network, the
disk under SQLite, the people. What a sale is, what is stored, told and booked is decided by the
programs' own code on real SQLite files; there is no second model of it.
"""
