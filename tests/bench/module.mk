# make bench [SIZE=small|full] [ONLY=NAME]: figures side by side with Dovecot and Postfix; tests/bench/run --help
SIZE := small
BENCH := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/*.c))
$(BENCH): $(B)/tests/bench/%: $(B)/tests/bench/%.o $(BASE_ARCHIVES)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(BASE_LIBS)
bench-build: $(PROGRAMS) $(BENCH)
bench: bench-build
	$(Q)packages/install bench
	$(Q)tests/bench/run --build $(B) --out $(O)/bench --size $(SIZE) $(if $(ONLY),--only $(ONLY))
.PHONY: bench bench-build
