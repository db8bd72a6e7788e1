# make interop [ONLY=postfix]: mail to and from other servers, each in a network namespace of its own; tests/interop/run --help
interop: $(PROGRAMS)
	$(Q)packages/install test
	$(Q)tests/interop/run --build $(B) $(ONLY)
.PHONY: interop
