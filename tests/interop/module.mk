# make interop [ONLY=exim]: mail to and from other servers, each in a network namespace of its own; tests/interop/run --help
interop: $(PROGRAMS)
	$(Q)packages/install interop
	$(Q)tests/interop/run --build $(B) $(ONLY)
.PHONY: interop
