"""Wrong parts which no law was tuned on: how many does ``verify`` find? ``python -m verification.held_out`` counts.

They were written from the protocols alone, by somebody who had seen neither laws nor mutants, after the laws were
finished. A law may not be written for one of them: it would be a mutant then, and move to the file of its subject.

A file has ``MUTANTS``, subject -> name -> factory, and ``HONEST`` likewise: parts which are unusual and right.
"""
