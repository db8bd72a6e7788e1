# make crash [SIZE=small|full] [ONLY='kill append 12']: what the store withstands; tests/crash/run --help
CRASH := $(B)/tests/crash/driver $(B)/tests/crash/trace
$(CRASH): $(B)/tests/crash/%: $(B)/tests/crash/%.o $(BASE_ARCHIVES)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter-out %.o,$^) $(BASE_LIBS)
$(B)/tests/crash/trace: $(B)/tests/crash/registers.o $(B)/tests/crash/world.o
crash-build: $(CRASH)
crash: crash-build $(PROGRAMS)
	$(Q)$(if $(ONLY),,$(MAKE) --no-print-directory LANE=asan crash-build)
	$(Q)tests/crash/run --size $(SIZE) $(ONLY)
	$(Q)$(if $(ONLY),,tests/crash/run --size $(SIZE) --build asan mutate)
	$(Q)$(if $(ONLY),,SIZE=$(SIZE) tests/live release mail-storm.py)
.PHONY: crash crash-build
