-- The first texts that patients agree to, in plain words (about sixth-grade reading), English and Spanish.

INSERT INTO consent_text (kind, version, lang, title, body, published_at) VALUES
('telehealth_consent', '2026-11', 'en', 'Your video visit', $$A video visit lets you see and talk with your care team over the internet instead of coming to the clinic.

What to expect. Your clinician will talk with you, and may ask you to show something to the camera. Some problems can't be handled by video. If so, your clinician will tell you where to go instead.

Your privacy. The visit is private and encrypted. It runs on the clinic's own system. Choose a quiet place where others can't listen. Please tell your clinician if somebody else is with you. The visit is not recorded unless you and everyone else in it say yes at that time.

What can go wrong. The picture or sound may fail. If we lose you, we will call the number you gave. No system is perfectly secure, but we take great care of your information.

In an emergency. A video visit is not for emergencies. If your life may be in danger, call 911. We ask where you are so that we can send help if needed.

Your choice. You may say no, stop at any time, or ask for a visit in person. This will not affect your right to care. You may ask any question before you agree. You may ask for an interpreter at no cost.

By choosing "I agree" you say that you have read this and agree to have this visit by video.$$, '2026-11-01T00:00:00Z'),
('telehealth_consent', '2026-11', 'es', 'Su consulta por video', $$Una consulta por video le permite ver y hablar con su equipo médico por internet, sin ir a la clínica.

Qué esperar. Su profesional de salud hablará con usted y quizá le pida que muestre algo a la cámara. Algunos problemas no se pueden atender por video. En ese caso, le dirá adónde ir.

Su privacidad. La consulta es privada y está cifrada. Funciona en el sistema de la propia clínica. Busque un lugar tranquilo donde otras personas no puedan escuchar. Avise a su profesional de salud si alguien está con usted. La consulta no se graba, a menos que usted y todas las personas presentes digan que sí en ese momento.

Qué puede fallar. La imagen o el sonido pueden fallar. Si perdemos la conexión, le llamaremos al número que nos dio. Ningún sistema es totalmente seguro, pero cuidamos mucho su información.

En una emergencia. La consulta por video no es para emergencias. Si su vida puede estar en peligro, llame al 911. Le preguntamos dónde está para poder enviarle ayuda si hace falta.

Usted decide. Puede decir que no, terminar en cualquier momento o pedir una consulta en persona. Esto no afectará su derecho a recibir atención. Puede hacer cualquier pregunta antes de aceptar. Puede pedir un intérprete sin costo.

Al elegir "Acepto" usted dice que ha leído este texto y que acepta tener esta consulta por video.$$, '2026-11-01T00:00:00Z'),
('recording_consent', '2026-11', 'en', 'May this visit be recorded?', $$Your clinician would like to record the picture and sound of this visit.

It will be recorded only if everyone here says yes. If you say no, the visit goes on without recording, and your care is the same.

The recording is encrypted and stays on the clinic's own system as part of your record. Only your care team and those who check the clinic's records may see it, and each time is logged.

You can change your mind. Choose "Do not record" at any time and the recording stops at once. What was recorded until then is kept, unless you ask the clinic about it.

If somebody joins later, recording pauses until that person has answered, too.$$, '2026-11-01T00:00:00Z'),
('recording_consent', '2026-11', 'es', '¿Se puede grabar esta consulta?', $$Su profesional de salud desea grabar la imagen y el sonido de esta consulta.

Solo se grabará si todas las personas presentes dicen que sí. Si usted dice que no, la consulta sigue sin grabación y su atención es la misma.

La grabación está cifrada y se guarda en el sistema de la propia clínica como parte de su expediente. Solo pueden verla su equipo médico y quienes revisan los registros de la clínica, y cada vez queda anotada.

Puede cambiar de opinión. Elija "No grabar" en cualquier momento y la grabación se detiene enseguida. Lo grabado hasta ese momento se conserva, a menos que usted hable con la clínica.

Si alguien se une más tarde, la grabación se detiene hasta que esa persona también haya respondido.$$, '2026-11-01T00:00:00Z');
