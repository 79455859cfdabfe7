"""The rules of the diagnosis: each knows one kind of trouble, and says it in a sentence."""
