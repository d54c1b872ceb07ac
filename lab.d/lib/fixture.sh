# shellcheck shell=bash
# A small series for the tests of what handles series.
use commits

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
