"""`bookwell doctor`: looks at everything that the settings name, and says what is wrong and what to do.

It changes nothing, sends nothing, and never shows a secret.
"""
