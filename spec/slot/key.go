package slot

import "strings"

// Of is the slot of a key: CRC16 (XMODEM) of the key, or of its hash tag, modulo
// Count. The tag is what stands between the first '{' and the next '}' when
// that is not empty (Redis Cluster specification, "Hash tags"). No command asks
// for it, as servers tell the slots of their keys; the simulation and the tests'
// clients do, and want a reckoning that is not a server's.
func Of(key string) int {
	if open := strings.IndexByte(key, '{'); open >= 0 {
		if n := strings.IndexByte(key[open+1:], '}'); n > 0 {
			key = key[open+1 : open+1+n]
		}
	}
	return int(crc16(key)) % Count
}

func crc16(text string) uint16 {
	var crc uint16
	for i := range len(text) {
		crc ^= uint16(text[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
