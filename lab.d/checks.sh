# shellcheck shell=bash
# The checks that need no guest: each a function, check_GROUP_NAME, that prints
# what is wrong and returns 1, or returns 4 after printing why it cannot run.
# shellcheck source=lab.d/save-commits.sh
. "$top/lab.d/save-commits.sh"
# shellcheck source=lab.d/export.sh
. "$top/lab.d/export.sh"
# shellcheck source=lab.d/readme.sh
. "$top/lab.d/readme.sh"
# shellcheck source=lab.d/deb-test.sh
. "$top/lab.d/deb-test.sh"
# shellcheck source=lab.d/configs.sh
. "$top/lab.d/configs.sh"
# shellcheck source=lab.d/guards.sh
. "$top/lab.d/guards.sh"
# shellcheck source=lab.d/needs-test.sh
. "$top/lab.d/needs-test.sh"
# shellcheck source=lab.d/bare.sh
. "$top/lab.d/bare.sh"
# shellcheck source=lab.d/exact.sh
. "$top/lab.d/exact.sh"

check_names() {
	printf '%s\n' lab.shellcheck lab.input lab.save lab.timeline lab.verdicts series.owners series.applies series.roundtrip \
		series.mailable series.checkpatch source.warnings source.sparse series.ways series.maintainers series.docs series.guards \
		lab.needs lab.readme lab.demo mutants.sample exact.figures series.steps series.boots series.configs lab.deb lab.bare
}

# quick, all (with --all and --rest only), or named: a quarter of an hour, and
# run only when asked for by its own name.
check_kind() {
	case $1 in
	lab.deb | lab.bare | series.steps | series.boots | series.configs) echo named ;;
	lab.needs | lab.readme | lab.demo | mutants.sample | exact.figures | series.ways | series.maintainers | series.docs) echo all ;;
	*) echo quick ;;
	esac
}

run_check() {
	local name=$1 out status=0 start=$SECONDS

	say "$name"
	case $name in
	source.* | lab.readme) prepare_kernel patched ;;
	mutants.*) make_initramfs die ;;
	exact.*) prepare_kernel stock && prepare_kernel patched ;;
	*) fetch_base ;;
	esac
	out=$log/check-$name.out
	# A subshell: what it undoes at its end is its own, and so is its death.
	(
		cleanups=() builds=()
		trap run_cleanups EXIT
		"check_${name/./_}"
	) >"$out" 2>&1 || status=$?
	case $status in
	0) result pass "$name" "$(sed -n 's/^note: //p' "$out" | tail -n 1)" ;;
	4) result skip "$name" "$(tail -n 1 "$out")" ;;
	*)
		result fail "$name" "$(grep -c '' "$out") lines, see $out"
		head -n 25 "$out" | sed 's/^/        /'
		;;
	esac
	((SECONDS - start < 5)) || say "$name: $((SECONDS - start)) s"
}

needs_series() {
	[ -n "$(series_list)" ] && return
	echo 'the series is empty'
	exit 4
}

scratch() {
	need git:git patch:patch
	scratch_dir work check
}

shell_files() {
	(cd "$top" && {
		printf '%s\n' lab lab.d/init .ci/run
		find lab.d -name '*.sh'
		own_files | grep '\.sh$' || :
	})
}

check_lab_shellcheck() {
	local bad=0

	need shellcheck:shellcheck
	cd "$top" || return
	# Each file by itself: following what they source takes ten times as long.
	# shellcheck disable=SC2046
	shellcheck -e SC1091 $(shell_files | grep -vx lab.d/init) || bad=1
	shellcheck -s dash lab.d/init || bad=1
	return $bad
}

# expect_refusal NAME=VALUE... -- ARGS: lab must say one line, not a word on
# stdout, and fail.
expect_refusal() {
	local env=() out status=0

	while [ "$1" != -- ]; do
		env+=("$1")
		shift
	done
	shift
	out=$(env "${env[@]}" "$top/lab" "$@" 2>"$work/err" </dev/null) || status=$?
	if [ $status -eq 0 ] || [ -n "$out" ] || [ "$(grep -c '' "$work/err")" -ne 1 ] ||
		! grep -q '^lab: ' "$work/err"; then
		printf '%s lab %s: status %d, stdout "%s", stderr:\n' "${env[*]}" "$*" "$status" "$out"
		cat "$work/err"
		bad=1
	fi
}

check_lab_input() {
	local bad=0 call

	scratch
	mkdir -p "$work/v5" "$work/empty"
	printf 'VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 7\nEXTRAVERSION =\n' >"$work/v5/Makefile"
	tar -C "$work" -cf "$work/v5.tar" v5
	echo 'no tar file' >"$work/text"
	: >"$work/plain"
	expect_refusal -- biuld
	expect_refusal -- --no-such-option
	for call in demo test build boot bench mutants series tree save deb; do
		expect_refusal -- "$call" --no-such-option
		"$top/lab" "$call" --help >"$work/help" 2>&1 && grep -q "^usage: lab $call" "$work/help" || {
			echo "lab $call --help: no usage"
			bad=1
		}
	done
	expect_refusal -- build vanilla
	expect_refusal -- build stock patched
	expect_refusal -- boot stock --
	expect_refusal -- boot --mem
	expect_refusal -- boot --mem lots
	expect_refusal -- boot --mem 0
	expect_refusal -- boot --cpus -1
	expect_refusal -- boot --cgroup v3
	expect_refusal -- boot --add "$work/nothing"
	expect_refusal -- boot --swap 99999999999999999999
	expect_refusal -- test no_such_test
	expect_refusal -- test --kernel vanilla
	expect_refusal -- test --seconds soon
	expect_refusal -- demo no_such_scenario
	expect_refusal -- bench --runs 0
	expect_refusal -- bench --exact --runs 3
	expect_refusal -- bench --exact dstate
	expect_refusal -- bench --update
	expect_refusal -- bench --profile no_such_figure
	expect_refusal -- mutants one
	expect_refusal -- mutants 9999
	expect_refusal -- mutants --sample 0
	expect_refusal -- mutants --sample 3 1
	expect_refusal -- mutants --seed 1
	expect_refusal -- series "$work/text"
	expect_refusal -- series one two
	expect_refusal -- deb one two
	expect_refusal -- deb --config huge
	expect_refusal CONFIG="$work/nothing" -- deb
	expect_refusal CONFIG="$work/text" -- deb
	expect_refusal LAB_ACCEL=hvf -- build stock
	expect_refusal LAB_JOBS=many -- build stock
	expect_refusal KERNEL_SOURCE="$work/nothing" -- build stock
	grep -q 5.10.7 < <(KERNEL_SOURCE=$work/v5 "$top/lab" build stock 2>&1) || {
		echo 'KERNEL_SOURCE of Linux 5.10.7: the version is not named'
		bad=1
	}
	# These are unpacked before they are refused, which is said in a line more.
	for call in v5 v5.tar text plain empty; do
		KERNEL_SOURCE=$work/$call "$top/lab" build stock >"$work/out" 2>"$work/err" && {
			echo "KERNEL_SOURCE=$call was taken"
			bad=1
		}
		[ "$(grep -vc '^lab: unpacking ' "$work/err")" -eq 1 ] || {
			echo "KERNEL_SOURCE=$call:"
			cat "$work/err"
			bad=1
		}
	done
	[ -e "$base/.lab-source" ] || {
		echo 'the unpacked source was lost over a wrong one'
		bad=1
	}
	return $bad
}

# make_fixture REPO: a repository with a series of three, every form of Adds:
# among them, and with characters that mail has to encode.
make_fixture() {
	local dir=$1 src=$work/fixture-src

	mkdir -p "$src/mm" "$dir/patches/6.12" "$dir/mm" "$dir/lib" "$dir/tools/testing/selftests/lab_fixture"
	cp "$base/mm/oom_kill.c" "$base/mm/Makefile" "$src/mm/"
	echo '/* one */' >"$dir/mm/lab_fixture.c"
	printf '/* no newline at the end */' >"$dir/lib/lab_fixture.c"
	printf 'all:\n' >"$dir/tools/testing/selftests/lab_fixture/Makefile"
	printf '#!/bin/sh\n' >"$dir/tools/testing/selftests/lab_fixture/run.sh"
	chmod +x "$dir/tools/testing/selftests/lab_fixture/run.sh"
	commit_base "$src"
	fixture_commit() {
		lab_git -C "$src" -c user.name='Ärne Tester' -c user.email=a@example.org -c commit.gpgSign=false \
			commit -q -a --allow-empty --date="2024-11-18T10:0$1:00+0530" -m "$2"
	}
	sed -i '1a obj-y += lab_fixture.o' "$src/mm/Makefile"
	fixture_commit 1 $'mm: a subject long enough to be folded by whoever mails it, with an ümlaut in it\n\nA line.\n\nAdds: mm/lab_fixture.c\nAdds: lib/lab_fixture.c\nLink: https://example.org/'
	sed -i '20i /* two */' "$src/mm/oom_kill.c"
	fixture_commit 2 $'mm: second\n\n# no comment, and\n\tindented'
	fixture_commit 3 $'selftests: third\n\nAdds: tools/testing/selftests/lab_fixture/'
	patch_files_of "$src" "$dir"
}

# patch_files_of SRC REPO: like save_commits(), for commits whose own files exist already.
patch_files_of() {
	local commit n=0 name

	for commit in $(lab_git -C "$1" rev-list --reverse refs/lab/base..HEAD); do
		n=$((n + 1))
		name=$(printf '%04d-%s.patch' $n "$(lab_git -C "$1" log -1 --format=%f "$commit" | cut -c1-52)")
		{
			lab_git -C "$1" log -1 --format=email "$commit" | sed '1s/[0-9a-f]\{40\}/0000000000000000000000000000000000000000/'
			printf -- '---\n\n'
			lab_git -C "$1" diff-tree -p --full-index "$commit^" "$commit" | sed '/^index /d'
		} >"$2/patches/6.12/$name"
		echo "$name" >>"$2/patches/6.12/series"
	done
}

# The way from patches to commits and back, on a series that has everything.
check_lab_save() {
	local bad=0

	scratch
	make_fixture "$work/repo" || return
	repo=$work/repo patches=$work/repo/patches/6.12
	owners "$work/owners" || return
	mini_repo "$work/git" "$work/owners" || return
	save_commits "$work/git" "$work/saved" || return
	rm -f "$work/saved/.own"
	sed -i "1i # Made on Linux $(base_version)" "$patches/series"
	diff -r "$work/saved" "$repo" || bad=1

	# An own file that a later commit changes belongs into the earlier one.
	echo '/* more */' >>"$work/git/mm/lab_fixture.c"
	lab_git -C "$work/git" -c user.name=a -c user.email=a@example.org commit -q -a -m 'mm: change it'
	save_commits "$work/git" "$work/saved2" 2>"$work/err" && bad=1
	grep -q 'fold it there' "$work/err" || {
		echo "a changed own file was not refused in a line: $(cat "$work/err")"
		bad=1
	}
	# A patch that does not fit is named with file and hunk.
	sed -i 's/^ #include.*/ nonsense/' "$patches"/0002*
	sed -i '0,/^ /s/^ .*/ nonsense/' "$patches"/0002*
	rm -rf "$work/git2"
	(mini_repo "$work/git2" "$work/owners") 2>"$work/err" && bad=1
	grep -q '0002.*oom_kill.c: hunk 1 ' "$work/err" || {
		echo "a hunk that fails is not named: $(cat "$work/err")"
		bad=1
	}
	# Files without a patch and patches without their file are told apart.
	rm "$repo/mm/lab_fixture.c"
	echo >"$repo/mm/orphan.c"
	owners "$work/owners" 2>"$work/err" && bad=1
	grep -q 'adds mm/lab_fixture.c, and there is no such file' "$work/err" &&
		grep -q 'mm/orphan.c belongs to no patch' "$work/err" || {
		echo "missing and orphaned files: $(cat "$work/err")"
		bad=1
	}
	return $bad
}

# expect_verdicts WHAT STATUS INPUT WANTED: what read_ktap makes of it.
expect_verdicts() {
	local got

	printf '%b' "$3" >"$work/ktap"
	got=$(read_ktap s "$2" "$work/said" "$work/ktap" | tr '\n' ';')
	[ "$got" = "$4" ] || {
		printf '%s: "%s", not "%s"\n' "$1" "$got" "$4"
		bad=1
	}
}

check_lab_verdicts() {
	local bad=0 run='#  RUN           s.b ...\n'

	scratch
	need python3:python3
	expect_verdicts passes 0 'TAP version 13\n1..2\nok 1 s.a\nok 2 f.v.b\n' 'pass s.a;pass s.f.v.b;'
	expect_verdicts skips 4 '1..2\nok 1 a # SKIP no swap\nok 2 b\n' 'skip s.a no swap;pass s.b;'
	expect_verdicts 'skips all' 4 '1..0 # SKIP not root\n' 'skip s not root;'
	expect_verdicts fails 1 "1..1\\n$run# x.c:1:b:Expected 1 == 2\\nnot ok 1 s.b\\n" 'fail s.b x.c:1:b:Expected 1 == 2;'
	expect_verdicts 'breaks off' hang "1..3\\nok 1 s.a\\n$run" 'pass s.a;fail s.b did not end; 2 of 3 tests are without a result;'
	expect_verdicts 'says nothing' crash '' 'fail s printed no plan;'
	expect_verdicts 'bails out' 1 '1..2\nok 1 a\nBail out! no memory\n' 'pass s.a;fail s Bail out! no memory;'
	expect_verdicts 'wrong status' 1 '1..1\nok 1 a\n' 'pass s.a;fail s ended with status 1 though no test of it failed;'
	expect_verdicts 'no tests' 0 '1..0\n' 'fail s has no tests;'

	printf '[    0.1] KTAP version 1\n[    0.1] 1..1\n[    0.2]     KTAP version 1\n[    0.2]     # Subtest: q\n[    0.2]     1..3\n[    0.2]     ok 1 a\n[    0.2]     not ok 2 b\n[    0.2]     ok 3 c # SKIP no\n[    0.2] not ok 1 q\n' >"$work/kunit"
	python3 "$base/tools/testing/kunit/kunit.py" parse "$work/kunit" >"$work/parsed" 2>&1 || :
	[ "$(read_kunit "$work/parsed" | tr '\n' ';')" = 'pass q.a;fail q.b;skip q.c;' ] || {
		echo 'kunit:'
		read_kunit "$work/parsed"
		bad=1
	}

	# The kernel's complaints are seen, its everyday words are not.
	printf '[    1.0] %s\n' 'Out of memory: Killed process 7 (a)' 'oom_reaper: unable to reap pid:7 (a)' >"$work/console"
	! kernel_complaints "$work/console" || bad=1
	for line in 'BUG: KASAN: use-after-free in x' 'WARNING: CPU: 0 PID: 1 at mm/oom_kill.c:1 x+0x1/0x2' \
		'WARNING: possible recursive locking detected' 'INFO: task a:7 blocked for more than 120 seconds.' \
		'rcu: INFO: rcu_preempt self-detected stall on CPU' 'watchdog: BUG: soft lockup - CPU#0 stuck'; do
		printf '[    1.0] %s\n' "$line" >"$work/console"
		kernel_complaints "$work/console" >/dev/null || {
			echo "not seen in a log: $line"
			bad=1
		}
	done
	return $bad
}

# Ten of the bugs that a test must notice; which ones, the commit says.
check_mutants_sample() {
	local status=0

	"$top/lab" mutants --sample 10 || status=$?
	[ $status -eq 0 ] || tail -n 20 "$log/mutants.log"
	return $status
}

check_lab_timeline() {
	need python3:python3
	"$top/lab.d/timeline-test.sh"
}

check_series_owners() {
	local file bad=0

	needs_series
	scratch
	owners "$work/owners" || bad=1
	for file in "$patches"/*.patch; do
		series_list | grep -xF "${file##*/}" >/dev/null || {
			echo "${file##*/} is not in patches/6.12/series"
			bad=1
		}
	done
	if grep -l '^Signed-off-by: ' "$patches"/*.patch; then
		echo 'carry a sign-off: whoever mails the series signs it'
		bad=1
	fi
	return $bad
}

check_series_applies() {
	local patch

	needs_series
	scratch
	mini_base "$work/tree"
	for patch in $(series_list); do
		apply_patch "$work/tree" "$patches/$patch" 0 || return 1
	done
}

# Byte for byte on the base that the series was made on. On another 6.12.y its
# hunks lie on other lines, and that alone may differ.
check_series_roundtrip() {
	local path

	needs_series
	scratch
	owners "$work/owners" || return
	mini_repo "$work/git" "$work/owners" || return
	save_commits "$work/git" "$work/saved" || return
	mkdir "$work/now"
	while read -r path; do
		mkdir -p "$work/now/$(dirname "$path")"
		cp -p "$repo/$path" "$work/now/$path"
	done < <(sort -u "$work/saved/.own" && series_list | sed 's|^|patches/6.12/|' && echo patches/6.12/series)
	rm -f "$work/saved/.own"
	if ! grep -qx "# Made on Linux $(base_version)" "$patches/series"; then
		for path in "$work"/{now,saved}/patches/6.12; do
			sed -i 's/^@@ .*/@@/' "$path"/*.patch
			sed -i '/^#/d' "$path/series"
		done
	fi
	diff -r "$work/now" "$work/saved"
}

check_series_mailable() {
	needs_series
	scratch
	export_series "$work/out" '' || return
	mini_base "$work/bare"
	commit_base "$work/bare"
	lab_git -C "$work/bare" -c user.name=lab -c user.email=lab@localhost am -q --empty=drop "$work/out"/*.patch || return
	if grep -l '^Adds: ' "$work/out"/*.patch; then
		echo 'still carry our trailers'
		return 1
	fi
	# What git am made is what we build.
	owners "$work/owners" || return
	mini_repo "$work/ours" "$work/owners" || return
	lab_git -C "$work/bare" fetch -q "$work/ours" HEAD
	lab_git -C "$work/bare" diff --exit-code --stat HEAD FETCH_HEAD
}

check_series_checkpatch() {
	local file bad=0

	needs_series
	scratch
	need pod2man:perl python3:python3 /usr/lib/python3/dist-packages/ply:python3-ply /usr/lib/python3/dist-packages/git:python3-git
	export_series "$work/out" '' || return
	# No sign-off is ours to give. FILE_PATH_CHANGES asks, for every new file, whether
	# MAINTAINERS knows it; one entry there covers all of ours. EXECUTE_PERMISSIONS
	# takes a program without a suffix for a source file; tools/mm has others. There
	# is no history here to look a commit up in.
	for file in "$work/out"/[0-9]*.patch; do
		[[ $file != */0000-* ]] || continue
		(cd "$base" && perl scripts/checkpatch.pl --strict --no-signoff --no-summary --terse --showfile \
			--show-types --ignore FILE_PATH_CHANGES,EXECUTE_PERMISSIONS,UNKNOWN_COMMIT_ID "$file") >"$work/said" || bad=1
		sed "s|^|$(basename "$file" | cut -c1-4): |" "$work/said"
	done
	return $bad
}

# get_maintainer.pl knows whom each patch is for, and the entry of the series
# in MAINTAINERS has all of our own files.
check_series_maintainers() {
	local file pattern known bad=0

	needs_series
	scratch
	need pod2man:perl
	export_series "$work/out" '' || return
	owners "$work/owners" || return
	mini_repo "$work/ours" "$work/owners" || return
	for file in "$work/out"/[0-9]*.patch; do
		[[ $file != */0000-* ]] || continue
		(cd "$base" && perl scripts/get_maintainer.pl --no-git --no-git-fallback --mpath "$work/ours/MAINTAINERS" "$file") \
			>"$work/said" 2>&1 && grep -qE '\((maintainer|supporter):' "$work/said" && grep -q '^linux-mm@' "$work/said" || {
			echo "get_maintainer.pl on ${file##*/}:"
			cat "$work/said"
			bad=1
		}
	done
	awk '/^OOM REAPER$/ { ours = 1 } /^$/ { ours = 0 } ours && $1 == "F:" { print $2 }' "$work/ours/MAINTAINERS" >"$work/patterns"
	while read -r file; do
		known=
		while read -r pattern; do
			[[ $file != "$pattern" && ($pattern != */ || $file != "$pattern"*) ]] || known=1
		done <"$work/patterns"
		[ -n "$known" ] || {
			echo "$file is not in MAINTAINERS' entry OOM REAPER"
			bad=1
		}
	done < <(cut -d' ' -f2 "$work/owners")
	return $bad
}

# The kernel's own documentation build has nothing to say about our pages.
check_series_docs() {
	local page bad=0

	needs_series
	scratch
	need make:make gcc:gcc pod2man:perl python3:python3 sphinx-build:python3-sphinx \
		/usr/lib/python3/dist-packages/yaml:python3-yaml
	update_patched
	PYTHONDONTWRITEBYTECODE=1 make -C "$build/patched" htmldocs SPHINXDIRS=admin-guide/mm O="$work/docs" >"$work/said" 2>&1 || {
		tail -n 20 "$work/said"
		return 1
	}
	for page in $({ own_files && for p in $(series_list); do patch_touches "$patches/$p"; done; } |
		grep '^Documentation/admin-guide/mm/.*\.rst$' | sort -u); do
		! grep -F "$page:" "$work/said" || bad=1
		page=${page#Documentation/}
		[ -s "$work/docs/Documentation/output/${page%.rst}.html" ] || {
			echo "no page of $page"
			bad=1
		}
	done
	return $bad
}

# "PATH LINE" for each line of the kernel's files that the series wrote.
added_lines() {
	local path

	for path in $(for p in $(series_list); do patch_touches "$patches/$p"; done | sort -u); do
		[ -e "$base/$path" ] && [ -e "$build/patched/$path" ] || continue
		{ diff -U0 "$base/$path" "$build/patched/$path" || :; } | awk -v path="$path" '
			/^@@/ { split($3, at, ","); n = at[2] == "" ? 1 : at[2]
				for (i = 0; i < n; i++) print path, substr(at[1], 2) + i }'
	done
}

# Compiles what the series touches in a copy of the build, with make's given
# arguments, and prints the warnings that lie in lines of ours.
our_warnings() {
	local out objects=() path

	scratch
	out=$build/patched/check
	rm -rf "$out"
	at_exit "rm -rf '$out'"
	cp -a --reflink=auto "$(kernel_out patched)" "$out"
	for path in $({ own_files && added_lines | cut -d' ' -f1; } | sort -u); do
		[[ $path == *.c && -e $out/${path%.c}.o ]] || continue
		objects+=("${path%.c}.o")
		rm -f "$out/${path%.c}.o"
	done
	[ ${#objects[@]} -gt 0 ] || {
		echo 'nothing of the kernel is touched yet'
		exit 4
	}
	make_in "$build/patched" "$out" LOCALVERSION=-patched "${same_everywhere[@]}" "$@" "${objects[@]}" >"$work/make" 2>&1 || {
		cat "$work/make"
		return 1
	}
	printf '%s\n' "${objects[@]}" >&2
	only_ours "$work/make"
}

# only_ours FILE: the warnings in what make said that lie in lines of ours; fails
# if there are any.
only_ours() {
	awk -v own="$(own_files | tr '\n' ' ')" '
		BEGIN { n = split(own, list, " "); for (i = 1; i <= n; i++) ours[list[i]] = 1 }
		NR == FNR { added[$1 ":" $2] = 1; next }
		/(warning|error):/ {
			line = $0
			sub(/^(\.\.\/)+/, "", line)
			split(line, at, ":")
			if (at[1] in ours || (at[1] ":" at[2]) in added) { print; bad = 1 }
		}
		END { exit bad }' <(added_lines) "$1"
}

check_source_warnings() { our_warnings W=1; }

check_source_sparse() {
	need sparse:sparse
	our_warnings C=2 CF=-D__CHECK_ENDIAN__
}

# Each step of the series compiles: the folders with the files that it touches.
check_series_steps() {
	local n count dirs

	needs_series
	count=$(series_list | wc -l)
	scratch
	dirs=$({ own_files && for p in $(series_list); do patch_touches "$patches/$p"; done; } |
		grep '\.c$' | grep -v '^\(tools\|Documentation\)/' | sed 's|/[^/]*$|/|' | sort -u)
	for ((n = 1; n <= count; n++)); do
		update_tree "$build/steps" "$n"
		kernel_config steps
		# shellcheck disable=SC2046 # a list of folders
		kernel_make steps $(for d in $dirs; do [ ! -e "$build/steps/$d/Makefile" ] || echo "$d"; done) \
			>"$log/step-$n.log" 2>&1 || {
			echo "step $n of $count, $(series_list | sed -n "${n}p"), does not compile:"
			grep -E -m 10 'error:|Error ' "$log/step-$n.log"
			return 1
		}
		if grep -E 'warning:' "$log/step-$n.log"; then
			echo "step $n of $count, $(series_list | sed -n "${n}p"), has warnings"
			return 1
		fi
	done
}

# Steps that bring something of their own are booted, and that is tried: words of
# the patch's name, and a scenario.
step_samples='reap-under-the-locks:mrelease hand-victims-over:burst sleep-until-victims-make-progress:memcg low-orders-fail:alloc'

check_series_boots() {
	local sample n

	needs_series
	make_initramfs die
	# What the check builds itself is not to be built as the whole series is.
	prepared=([guest]=1 [steps]=1)
	failed=0
	for sample in $step_samples; do
		n=$(series_list | grep -n -m1 -- "${sample%:*}" | cut -d: -f1)
		[ -n "$n" ] || {
			echo "no patch of the series has the words ${sample%:*}"
			return 1
		}
		echo "step $n, $(series_list | sed -n "${n}p"):"
		update_tree "$build/steps" "$n"
		kernel_config steps
		kernel_make steps bzImage modules >"$log/step-$n.log" 2>&1 || {
			grep -E -m 10 'error:|Error ' "$log/step-$n.log"
			return 1
		}
		rm -rf "$build/steps/o/.lab-modules"
		install_modules steps >>"$log/step-$n.log" 2>&1 || return
		make_modules_archive steps
		run_scenario "${sample#*:}" steps
	done
	[ "$failed" -eq 0 ]
}
