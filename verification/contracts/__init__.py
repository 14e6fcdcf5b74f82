"""What every part of a role obeys, whoever wrote it: a topic a file, its laws beside the wrong parts that they kill.

A file has ``LAWS``, a tuple of laws, and ``MUTANTS``, subject -> name -> factory of a wrong part; it is found by being
here.
"""
