# Every command a person needs. `make` alone lists them.
# ARGS goes through to the program: make test ARGS="--database sqlite tests/unit", make up ARGS="--no-demo".

.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory
export UV_PYTHON_DOWNLOADS := never
bin := .venv/bin
# What may be missing while only the application runs, and what tests and checks need besides.
runnable := .venv/.runnable
developed := .venv/.developed
checks := check-lint check-format check-types check-imports check-dependencies check-migrations check-lock

.PHONY: help demo up test chaos check $(checks) audit format bench bench-scale clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1@/p' Makefile | column -t -s @ 2>/dev/null || grep '##' Makefile

demo: $(runnable) ## set up everything, load the sample library, start, print addresses and users
	@exec $(bin)/bookwell up --demo $(ARGS)

up: $(runnable) ## start everything; data in ./.bookwell or BOOKWELL_DATA_DIR
	@exec $(bin)/bookwell up $(ARGS)

test: $(developed) ## every test on SQLite, MariaDB and PostgreSQL, which it brings itself
	@exec $(bin)/python -m tests.infrastructure.run $(ARGS)

chaos: $(developed) ## the long versions of the race and kill tests
	@exec $(bin)/python -m tests.infrastructure.run --chaos $(ARGS)

check: $(checks) ## lint, format, types, borders, dependencies, migrations, lock file

check-lint: $(developed)
	$(bin)/ruff check .

check-format: $(developed)
	$(bin)/ruff format --check .

check-types: $(developed)
	$(bin)/mypy

check-imports: $(developed)
	$(bin)/lint-imports

check-dependencies: $(developed)
	$(bin)/deptry .

check-migrations: $(developed)
	BOOKWELL_LIBRARY_DATABASE_URL=sqlite://:memory: BOOKWELL_SECRET_KEY=not-needed-for-this \
		DJANGO_SETTINGS_MODULE=bookwell.library.config.settings $(bin)/django-admin makemigrations --check --dry-run

check-lock:
	tools/uv lock --check
	@if grep -Eo 'https?://[^/"]+' uv.lock | grep -Ev '^https://(pypi\.org|files\.pythonhosted\.org)$$' | sort -u | grep .; \
		then echo 'uv.lock names an index other than PyPI'; exit 1; fi

audit: $(developed) ## known vulnerabilities of the locked packages (asks PyPI's advisory service)
	@report=$$($(bin)/pip-audit --skip-editable 2>&1); status=$$?; printf '%s\n' "$$report"; \
		case "$$report" in *'could not be audited'*) echo 'Not everything was audited.'; exit 1;; esac; exit $$status

format: $(developed) ## format the code and sort out what ruff can fix
	$(bin)/ruff format .
	$(bin)/ruff check --fix .

bench: $(developed) ## speed at 10 000 books, as ratios
	@exec $(bin)/python -m bench $(ARGS)

bench-scale: $(developed) ## the same at a million books
	@exec $(bin)/python -m bench --scale $(ARGS)

clean: ## remove the environment and what tools left; not the data
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(runnable): uv.lock pyproject.toml
	tools/uv sync --frozen --inexact --no-dev --extra all
	@touch $@

$(developed): uv.lock pyproject.toml
	tools/uv sync --frozen --extra all
	@touch $@ $(runnable)
