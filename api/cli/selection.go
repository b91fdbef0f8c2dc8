package cli

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/api/client"
)

const filesHelp = "the wanted files: numbers from 0 as in 0,2-5, a pattern as in '*.mkv' or '!*sample*', or a size as in '>=50MiB'; may be repeated"

// maxListed keeps a slip such as 0-1000000000 from filling the memory.
const maxListed = 100_000

// parseFiles reads which files are wanted; "all" alone wants all.
func parseFiles(given []string) (client.FileSelection, error) {
	if len(given) == 1 && strings.TrimSpace(given[0]) == "all" {
		return client.FileSelection{Given: true}, nil
	}
	var indexes []int
	var others []any
	for _, text := range given {
		if strings.Trim(text, "0123456789,- ") != "" {
			others = append(others, text)
			continue
		}
		listed, err := parseIndexes(text)
		if err != nil {
			return client.FileSelection{}, err
		}
		if indexes = append(indexes, listed...); len(indexes) > maxListed {
			return client.FileSelection{}, usagef("the list of files has more than %d", maxListed)
		}
	}
	return client.FileSelection{Given: true, Items: append(items(sorted(indexes)), others...)}, nil
}

// parseIndexes reads a list of indexes such as "0,2-5".
func parseIndexes(list string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, ok := indexRange(strings.TrimSpace(part))
		if !ok {
			return nil, usagef("%q is not a list of files: use numbers from 0 as in 0,2-5, a pattern, a size, or all", list)
		}
		if to-from >= maxListed-len(out) {
			return nil, usagef("the list of files has more than %d", maxListed)
		}
		for i := from; i <= to; i++ {
			out = append(out, i)
		}
	}
	return sorted(out), nil
}

func sorted(indexes []int) []int {
	slices.Sort(indexes)
	return slices.Compact(indexes)
}

func items(indexes []int) []any {
	out := make([]any, len(indexes))
	for i, n := range indexes {
		out[i] = n
	}
	return out
}

// indexRange reads "3" or "3-5".
func indexRange(s string) (from, to int, ok bool) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return 0, 0, false
	}
	to, err = strconv.Atoi(strings.TrimSpace(last))
	return from, to, err == nil && from >= 0 && from <= to && to <= math.MaxInt32
}

// formatFiles writes a selection as parseFiles reads it; "" for all.
func formatFiles(f *client.FileSelection) string {
	if f == nil {
		return ""
	}
	var indexes []int
	var parts []string
	for _, item := range f.Items {
		text := fmt.Sprint(item)
		if n, err := strconv.Atoi(text); err == nil {
			indexes = append(indexes, n)
			continue
		}
		parts = append(parts, text)
	}
	if len(indexes) > 0 {
		parts = append([]string{formatIndexes(indexes)}, parts...)
	}
	return strings.Join(parts, " ")
}

// formatIndexes writes indexes as parseIndexes reads them.
func formatIndexes(files []int) string {
	var parts []string
	for i := 0; i < len(files); {
		j := i
		for j+1 < len(files) && files[j+1] == files[j]+1 {
			j++
		}
		part := strconv.Itoa(files[i])
		if j > i {
			part += "-" + strconv.Itoa(files[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}
