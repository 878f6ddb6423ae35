# Turns dexdump's plain output into what the test expects: CLASS CODE METHOD for each constant of a stub.
/Class descriptor  : / { class = $4; gsub(/'/, "", class); static = 0 }
/Static fields  / { static = 1 }
/Instance fields / { static = 0 }
static && /name          : / { name = $3; gsub(/'/, "", name) }
static && /value         : / && name ~ /^TRANSACTION_/ && class ~ /\$Stub;$/ {
    sub(/^TRANSACTION_/, "", name)
    print class, $3, name
    name = ""
}
