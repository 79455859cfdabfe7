"""Finding out what is wrong: on the way to a server, in the kernel's tables, in a capture, on this machine.

What is found is data: steps, and a conclusion. Shows nothing.
"""
