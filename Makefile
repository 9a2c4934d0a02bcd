.PHONY: demo test lint types
demo test lint types:
	@python3 run.py $@ $(ARGS)
