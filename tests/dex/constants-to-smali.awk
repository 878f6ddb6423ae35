# Turns `javap -constants -p` of a compiled class into smali text: the class, its constant static fields, nothing else.
/^(public |final |abstract |static )*(class|interface) / {
    for (field = 1; field <= NF; field++) if ($field == "class" || $field == "interface") name = $(field + 1)
    gsub(/\./, "/", name)
    print ".class public abstract L" name ";\n.super Ljava/lang/Object;"
}
/static final int [A-Za-z_0-9]+ = -?[0-9]+;/ {
    value = $NF
    sub(/;/, "", value)
    print ".field static final " $(NF - 2) ":I = " (value < 0 ? "-" : "") sprintf("0x%x", value < 0 ? -value : value)
}
/static final java.lang.String [A-Za-z_0-9]+ = ".*";/ {
    value = $0
    sub(/^[^"]*/, "", value)
    sub(/;[^;]*$/, "", value)
    print ".field static final DESCRIPTOR:Ljava/lang/String; = " value
}
