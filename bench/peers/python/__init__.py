"""Python servers that the court measures beside Parley, run by an interpreter of their own.

None of what they import is a dependency of Parley: see ``requirements.txt`` beside them.
"""
