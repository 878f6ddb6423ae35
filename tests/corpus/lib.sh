# For the shell programs of the corpus.
set -eu

# mark PHASE: lets whoever drives this program mark a phase, and waits until it is marked.
mark() {
    echo "mark $1"
    read -r _
}
