"""Wrong parts by strangers: how many does ``verify`` find? ``python -m verification.held_out`` counts.

They were written from the protocols alone, by people who had seen neither the laws nor the mutants. ``seen``: the laws
were mended for what they missed of it. ``unseen``: no law was tuned on it; whoever writes a law for one of its parts
moves that part to ``seen``. A file has ``MUTANTS``, subject -> name -> factory, and ``HONEST`` likewise: parts that are
unusual and right.
"""
