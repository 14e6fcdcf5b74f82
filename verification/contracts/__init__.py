"""What every part of a role obeys, whoever wrote it: a topic a file, its laws beside the wrong parts that they kill."""
