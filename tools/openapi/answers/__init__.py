"""What the merchants' API answers, shape by shape: the rooms build these by hand, as plain JSON.

A key is always there unless it is ``NotRequired``. What the town is answered is checked against these shapes in both
directions: nothing is answered that is not listed, and nothing is listed that no answer has.
"""
