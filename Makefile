# Each target is a word for .ci/environment, which also works without make: sh .ci/environment demo
.POSIX:
.PHONY: demo test bench lint clean

demo test bench lint clean:
	@sh .ci/environment $@
