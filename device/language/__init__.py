"""What the mirror says to visitors, in their languages.

`message` marks the sentences, which are in English in the code; `translate` finds their translations in the catalogues
of `device/locale`.
"""
