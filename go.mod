module github.com/slotwright/slotwright

go 1.26
